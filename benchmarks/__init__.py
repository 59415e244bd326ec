"""Side by side with what users use today; results in RESULTS.md."""
