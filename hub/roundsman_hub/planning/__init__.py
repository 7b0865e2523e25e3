"""Planning, pure: problem, evaluate, insertion, engines behind one port, re-planning. Read `problem.py` first."""
