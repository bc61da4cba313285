"""The commands: parse, call, print. A command's module is imported when the command is called."""
