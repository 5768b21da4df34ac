"""What ``agents diagnostics`` looks at, one module for each kind of thing."""
