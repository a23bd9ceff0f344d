# Completion of ppsppd for bash.

_ppspp_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_ppsppd() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $previous in
    --config)
      _ppspp_files "$cur"
      return ;;
  esac
  if [[ $cur == -* ]]; then
    local options="
    -h --help --version --config --check --print-config -v --verbose"
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
  else
    _ppspp_files "$cur"
  fi
}

complete -F _ppsppd ppsppd
