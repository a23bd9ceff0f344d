# Completion of ppspp-tracker for bash.

_ppspp_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_ppspp_tracker() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $previous in
    -l | --listen | --https | --udp | --metrics | --swarm)
      :
      return ;;
    --config | --tls-certificate | --tls-key | --ca-key)
      _ppspp_files "$cur"
      return ;;
  esac
  if [[ $cur == -* ]]; then
    local options="
    -h --help --version --config -l --listen --https --udp --metrics --tls-certificate --tls-key
    --ca-key --swarm --print-ca --check --print-config -v --verbose"
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
  else
    _ppspp_files "$cur"
  fi
}

complete -F _ppspp_tracker ppspp-tracker
