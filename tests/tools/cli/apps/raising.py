"""An app that fails to be imported."""

raise RuntimeError("no\nsettings")
