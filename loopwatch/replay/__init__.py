"""What latency would be if the app were different, found by replaying what a loop has recorded."""
