"""`python -m facefind` is the facefind program."""

from facefind.cli.main import run

if __name__ == "__main__":
    run()
