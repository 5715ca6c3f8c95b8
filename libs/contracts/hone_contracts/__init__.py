"""What Hone's services say to each other: typed messages, subjects, streams, ids and errors. No I/O."""
