# SPDX-License-Identifier: GPL-2.0
# fish completion for gridrepaird(8): options come from its own help.

complete -c gridrepaird -a '(gridrepaird --help 2>/dev/null | grep -o -- "--[a-z-]*=\{0,1\}" | sort -u)'
