"""Which route a request was asked for, as a template, whatever framework serves it."""
