"""What a reader holds of the feed: pane sums, entity columns, and how far they can be trusted."""
