"""`hone up`: NATS and every service on one machine, under one supervisor.

Read `supervisor` first; `plan` says what is started, `child` how, `guard` what happens when the supervisor is killed.
"""
