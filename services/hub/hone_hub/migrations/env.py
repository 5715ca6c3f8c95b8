from hone_chassis.migrations import run_environment

run_environment()
