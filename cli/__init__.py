"""The command line: click commands and formatting. Nothing else prints."""
