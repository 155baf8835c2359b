"""`forgehand`, and `python -m bot`."""

from bot.app.cli.main import main

if __name__ == "__main__":
    main()
