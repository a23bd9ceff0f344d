# Completion of ppspp-seed for bash.

_ppspp_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_ppspp_seed() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $previous in
    -l | --listen | --chunk-size | --peer | --tracker | --upload-limit | \
      --chunks-per-signature | --discard-window | --pace | --advertise | --threads)
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
    --key | --record | --tracker-ca | --authority)
      _ppspp_files "$cur"
      return ;;
    --signature)
      mapfile -t COMPREPLY < <(compgen -W "rsasha1 rsasha256 ecdsap256sha256 ecdsap384sha384 ed25519" -- "$cur")
      return ;;
  esac
  if [[ $cur == -* ]]; then
    local options="
    -h --help --version -l --listen --chunk-size --addressing --hash --integrity --authority --peer
    --tracker --tracker-ca --local-discovery --no-local-discovery --upload-limit --live --key --signature
    --no-pex --chunks-per-signature
    --discard-window --record --force --pace --advertise --daemon --threads -v --verbose"
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
  else
    _ppspp_files "$cur"
  fi
}

complete -F _ppspp_seed ppspp-seed
