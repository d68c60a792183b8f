"""What all workers need: made once, by the server process from which they are forked."""

from paper_checks.experiments import experiments
from paper_checks.papers import documents

documents()
experiments()
