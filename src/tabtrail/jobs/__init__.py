"""One function fanned out: serial, processes, Dask."""
