"""python -m emotrace"""

from emotrace.cli import app

app()
