"""The scripts. Each asks the program that is being completed, by the path it was called by where that can be run.

Errors of the program are dropped by the scripts: what is typed must stay readable. Files and folders are left to
the shell, which knows how to quote them.
"""

BASH = r"""# Completion of codex for bash. In ~/.bashrc: source <(codex completion bash)
_codex() {
    local program current=${2-${COMP_WORDS[COMP_CWORD]}} IFS=$'\n' line value
    # the program as it was typed, without backslashes and tilde
    IFS= read program <<<"${1:-codex}"
    [[ $program == "~/"* ]] && program=$HOME/${program:2}
    type -P -- "$program" >/dev/null || program=codex
    [[ $current == [=:]* ]] && current=
    COMPREPLY=()
    while IFS= read -r line; do
        value=${line#*,}
        case ${line%%,*} in
            plain)
                printf -v value %q "$value"
                COMPREPLY+=("$value")
                ;;
            file | dir)
                compopt -o filenames 2>/dev/null
                local kind=-f
                [[ $line == dir,* ]] && kind=-d
                while IFS= read -r value; do
                    COMPREPLY+=("$value")
                done < <(compgen "$kind" -- "$current")
                ;;
        esac
    done < <(
        env COMP_WORDS="codex"$'\n'"${COMP_WORDS[*]:1:COMP_CWORD}" COMP_CWORD="$COMP_CWORD" \
            _CODEX_COMPLETE=bash_complete "$program" 2>/dev/null </dev/null
    )
}

complete -o nosort -F _codex codex 2>/dev/null || complete -F _codex codex
"""

ZSH = r"""#compdef codex
# Completion of codex for zsh. In ~/.zshrc, after compinit: source <(codex completion zsh)
_codex() {
    local program=${(Q)words[1]} type value help
    local -a answer described bare
    (( $+commands[$program] )) || [[ -x $program ]] || program=codex
    answer=("${(@f)$(
        env COMP_WORDS="${(F)words[1,CURRENT]}" COMP_CWORD=$((CURRENT - 1)) \
            _CODEX_COMPLETE=zsh_complete $program 2>/dev/null </dev/null
    )}")
    local ret=1
    for type value help in $answer; do
        case $type in
            plain)
                if [[ $help == _ ]]; then bare+=("$value"); else described+=("$value:$help"); fi
                ;;
            file | dir)
                [[ $PREFIX == -*=* ]] && compset -P '*='
                if [[ $type == dir ]]; then _files -/ && ret=0; else _files && ret=0; fi
                ;;
        esac
    done
    (( $#described )) && _describe -V -t codex codex described && ret=0
    (( $#bare )) && compadd -V codex -a bare && ret=0
    return ret
}

if [[ $funcstack[1] == _codex ]]; then
    _codex "$@"
else
    compdef _codex codex
fi
"""

FISH = r"""# Completion of codex for fish: codex completion fish > ~/.config/fish/completions/codex.fish
function __codex_complete
    set -l before (commandline -opc)
    set -l program $before[1]
    type -q -- "$program"; or set program codex
    set -l line (commandline -cp | string collect)
    set -l current (commandline -ct | string collect)
    set -l word (string unescape -- "$current"; or echo -- "$current")
    set -l path (string replace -r -- '^-[^=]*=' '' "$word")
    set -l prefix (string replace -r -- '^(-[^=]*=|).*$' '$1' "$word")
    for answer in (env _CODEX_COMPLETE=fish_complete COMP_WORDS="$line" COMP_CWORD="$current" \
            $program 2>/dev/null </dev/null)
        set -l parts (string split -m 1 , -- $answer)
        switch $parts[1]
            case dir
                __codex_prefixed "$prefix" (__fish_complete_directories "$path" '')
            case file
                __codex_prefixed "$prefix" (__fish_complete_path "$path" '')
            case plain
                echo -- $parts[2]
        end
    end
end

function __codex_prefixed
    for path in $argv[2..-1]
        echo -- $argv[1]$path
    end
end

complete -c codex -f -k -a '(__codex_complete)'
"""

POWERSHELL = r"""# Completion of codex for PowerShell 5.1 or newer. In $PROFILE:
#   codex completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName codex -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text }) + @("$wordToComplete")
    $program = $commandAst.GetCommandName()
    if (-not (Get-Command $program -CommandType Application -ErrorAction SilentlyContinue)) { $program = 'codex' }
    $before = $env:COMP_WORDS, $env:_CODEX_COMPLETE
    $env:COMP_WORDS = $words -join "`n"
    $env:_CODEX_COMPLETE = 'powershell_complete'
    try {
        $answer = @(& $program 2>$null)
    } finally {
        $env:COMP_WORDS, $env:_CODEX_COMPLETE = $before
    }
    $prefix = ''
    $path = $wordToComplete
    if ($wordToComplete -match '^(-[^=]*=)(.*)$') { $prefix, $path = $Matches[1], $Matches[2] }
    for ($i = 0; $i + 2 -lt $answer.Count; $i += 3) {
        $type, $value, $help = $answer[$i..($i + 2)]
        if ($type -eq 'plain') {
            $tip = if ($help -eq '_') { $value } else { $help }
            [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $tip)
            continue
        }
        [System.Management.Automation.CompletionCompleters]::CompleteFilename($path) |
            Where-Object { $type -ne 'dir' -or $_.ResultType -eq 'ProviderContainer' } |
            ForEach-Object {
                [System.Management.Automation.CompletionResult]::new(
                    $prefix + $_.CompletionText, $_.ListItemText, $_.ResultType, $_.ToolTip)
            }
    }
}
"""

ELVISH = r"""# Completion of codex for elvish 0.18 or newer. In rc.elv: eval (codex completion elvish | slurp)
use str
set edit:completion:arg-completer[codex] = {|@words|
    tmp E:COMP_WORDS = (str:join "\n" $words)
    tmp E:_CODEX_COMPLETE = elvish_complete
    var prefix path = '' $words[-1]
    if (and (str:has-prefix $path -) (str:contains $path =)) {
        var start = (+ 1 (str:index $path =))
        set prefix path = $path[..$start] $path[$start..]
    }
    try {
        (external $words[0]) 2>/dev/null </dev/null | from-lines | each {|line|
            var type value help = (str:split "\t" $line)
            if (not-eq $type plain) {
                edit:complete-filename $path | each {|found|
                    if (or (eq $type file) (str:has-suffix $found[stem] /)) {
                        edit:complex-candidate $prefix$found[stem] ^
                            &code-suffix=$found[code-suffix] &display=$found[display]
                    }
                }
            } elif (eq $help '') {
                put $value
            } else {
                edit:complex-candidate $value &code-suffix=' ' &display=$value' ('$help')'
            }
        }
    } catch _ { }
}
"""
