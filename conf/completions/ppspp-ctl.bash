# Completion of ppspp-ctl for bash; swarms are asked of the daemon.

_ppspp_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

# The numbers and the first digits of the IDs of all swarms; nothing if the daemon takes too long.
_ppspp_ctl_swarms() {
  local i socket=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    [[ ${COMP_WORDS[i]} == --socket ]] && socket=(--socket "${COMP_WORDS[i + 1]}")
  done
  "${COMP_WORDS[0]}" --timeout 0.5 "${socket[@]}" list 2>/dev/null </dev/null |
    awk '$1 ~ /^[0-9]+$/ { print $1; if (length($NF) == 10 && $NF ~ /^[0-9a-f]+$/) print $NF }'
}

# The command on the line, if there is one yet.
_ppspp_ctl_command() {
  local i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      --socket | --timeout) ((++i)) ;;
      -*) ;;
      *) echo "${COMP_WORDS[i]}" && return ;;
    esac
  done
}

_ppspp_ctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command
  local options="
    -h --help --version --socket --timeout --json"
  COMPREPLY=()
  command=$(_ppspp_ctl_command)
  case $previous in
    --socket | -o | --output | --key | --authority)
      _ppspp_files "$cur"
      return ;;
    --timeout | --name | --label | --peer | --tracker | --upload-limit | --download-limit | \
      --upload-per-peer | --download-per-peer | --weight | --max-channels | --open-at | \
      --chunk-size | --pace | --chunks-per-signature | --discard-window | --text | --upload | \
      --download | --reason | --for | --interval | --lines | --from | --to)
      :
      return ;;
    --addressing)
      mapfile -t COMPREPLY < <(compgen -W "bin32 byte64 chunk32 bin64 chunk64" -- "$cur")
      return ;;
    --hash)
      mapfile -t COMPREPLY < <(compgen -W "sha1 sha224 sha256 sha384 sha512" -- "$cur")
      return ;;
    --integrity)
      mapfile -t COMPREPLY < <(compgen -W "merkle none unified-merkle sign-all" -- "$cur")
      return ;;
    --signature)
      mapfile -t COMPREPLY < <(compgen -W "rsasha1 rsasha256 ecdsap256sha256 ecdsap384sha384 ed25519" -- "$cur")
      return ;;
    --kind)
      mapfile -t COMPREPLY < <(compgen -W "file download feed live directory" -- "$cur")
      return ;;
    --state)
      mapfile -t COMPREPLY < <(compgen -W "hashing opening downloading seeding live paused scheduled failed" -- "$cur")
      return ;;
  esac
  case $command in
    add) options+="
      --name --label --peer --tracker --authority --upload-limit --download-limit --upload-per-peer
    --download-per-peer --weight --max-channels --paused --open-at --chunk-size
    --addressing --hash --integrity -o --output --force --live --key --signature --pace
    --chunks-per-signature --discard-window" ;;
    remove) options+="
      --delete-content" ;;
    list) options+="
      --kind --state --label --text" ;;
    set) options+="
      --name --label --open-at" ;;
    limit) options+="
      --upload --download --upload-per-peer --download-per-peer --weight --max-channels" ;;
    ban) options+="
      --reason --for" ;;
    watch) options+="
      --kind --state --label --text --interval" ;;
    log) options+="
      --lines -f --follow" ;;
    accounts) options+="
      --from --to --label" ;;
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    return
  fi
  case $command in
    "")
      mapfile -t COMPREPLY < <(compgen -W "
        add remove pause resume list show peers add-peer set limit ban unban bans watch log
    accounts info" -- "$cur") ;;
    add-peer | limit | pause | peers | remove | resume | set | show)
      mapfile -t COMPREPLY < <(compgen -W "$(_ppspp_ctl_swarms)" -- "$cur") ;;
    add)
      _ppspp_files "$cur" ;;
  esac
}

complete -F _ppspp_ctl ppspp-ctl
