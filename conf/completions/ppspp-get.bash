# Completion of ppspp-get for bash.

_ppspp_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_ppspp_get() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $previous in
    -o | --output | --tracker-ca | --authority)
      _ppspp_files "$cur"
      return ;;
    -l | --listen | --peer | --tracker | --chunk-size | --upload-limit | --download-limit | \
      --timeout | --buffer | --discard-window | --threads)
      :
      return ;;
    --addressing)
      mapfile -t COMPREPLY < <(compgen -W "bin32 byte64 chunk32 bin64 chunk64" -- "$cur")
      return ;;
    --local-discovery)
      mapfile -t COMPREPLY < <(compgen -W "any dns-sd multicast" -- "$cur")
      return ;;
    --hash)
      mapfile -t COMPREPLY < <(compgen -W "sha1 sha224 sha256 sha384 sha512" -- "$cur")
      return ;;
    --integrity)
      mapfile -t COMPREPLY < <(compgen -W "merkle none unified-merkle sign-all" -- "$cur")
      return ;;
    --start)
      mapfile -t COMPREPLY < <(compgen -W "live oldest" -- "$cur")
      return ;;
    --signature)
      mapfile -t COMPREPLY < <(compgen -W "rsasha1 rsasha256 ecdsap256sha256 ecdsap384sha384 ed25519" -- "$cur")
      return ;;
  esac
  if [[ $cur == -* ]]; then
    local options="
    -h --help --version -o --output -l --listen --peer --tracker --tracker-ca --chunk-size
    --local-discovery --no-local-discovery --no-pex
    --addressing --hash --integrity --authority --upload-limit --download-limit --timeout --stay
    --force --json --start --buffer --discard-window --signature --threads -v --verbose --daemon"
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
  else
    _ppspp_files "$cur"
  fi
}

complete -F _ppspp_get ppspp-get
