"""Models of one series: exponential smoothing, SARIMA, naive."""
