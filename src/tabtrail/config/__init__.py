"""The typed tree behind the YAML file."""
