# SPDX-License-Identifier: GPL-2.0
# fish completion for gridctl(8): commands and options come from its own help.

function __gridctl_verb
    for word in (commandline -opc)[2..-1]
        if not string match -q -- '-*' $word
            echo $word
            return 0
        end
    end
    return 1
end

function __gridctl_verbs
    gridctl --help 2>/dev/null |
        sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\)  *\(.*\)/\1\t\2/p'
end

function __gridctl_options
    gridctl (__gridctl_verb) --help 2>/dev/null |
        sed -n 's/^  \(--[a-z-]*=\{0,1\}\)[^ ]* *\(.*\)/\1\t\2/p'
end

# A glob that finds nothing is an error to a command, and none to "for".
function __gridctl_devices
    for name in /sys/block/dm-*/dm/name
        cat $name
    end
end

complete -c gridctl -f -n 'not __gridctl_verb' -a '(__gridctl_verbs)'
complete -c gridctl -f -n 'not __gridctl_verb' -l json -d 'machine-readable output'
complete -c gridctl -f -l help
complete -c gridctl -n '__gridctl_verb; and string match -q -- "-*" (commandline -ct)' -a '(__gridctl_options)'
complete -c gridctl -n __gridctl_verb -a '(__gridctl_devices)'
