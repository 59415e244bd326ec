"""python -m byeori"""

from byeori.cli import main

if __name__ == "__main__":
    main()
