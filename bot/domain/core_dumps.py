"""The limit that prevents core dumps, which would hold credentials, or be as large as the memory.

No file is smaller than a page, so none is written. For every limit but this one, zero included, the kernel
still starts a program that collects core dumps, if the machine has one (Linux, fs/coredump.c).
"""

NO_CORE_DUMPS = 1  # bytes, for RLIMIT_CORE
