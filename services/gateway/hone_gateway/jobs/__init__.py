"""The life of a job: accepted, running, ended once; and its event stream."""
