"""`python -m azora` is `azora`."""

from azora.cli.main import run

if __name__ == "__main__":
    run()
