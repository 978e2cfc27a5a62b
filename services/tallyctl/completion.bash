# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# How bash completes the command lines of Tallyworks. completion.c puts behind it: the lists
# _tally_common, _tally_worker, _tally_valued, _tally_settings and _tally_commands, the functions
# _tally_flags_of and _tally_values_of.
# shellcheck disable=SC2154

# The command that the words before the cursor name, or its first word: $_tally_named.
_tally_command() {
	local i word words=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $_tally_valued == *" $word "* ]]; then
			[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
			((i++))
		elif [[ $word != -* ]]; then
			words+=("$word")
		fi
	done
	_tally_named=${words[0]}
	if grep -qxF -- "${words[0]} ${words[1]}" <<<"$_tally_commands"; then
		_tally_named="${words[0]} ${words[1]}"
	fi
}

# Commands, or the second words of the one that is begun; files after a whole one.
_tally_words() {
	local current=$1 second
	if [[ -z $_tally_named ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(cut -d' ' -f1 <<<"$_tally_commands" |
			sort -u)" -- "$current")
		return
	fi
	second=$(sed -n "s/^$_tally_named //p" <<<"$_tally_commands")
	if [[ -n $second ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$second" -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	fi
}

_tally() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local flags=$_tally_common _tally_named='' _tally_values=()
	COMPREPLY=()
	if [[ $current == = ]]; then # bash takes = for a word of its own
		current=
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case ${1##*/} in
	tallyctl)
		_tally_command
		flags="$(_tally_flags_of "$_tally_named") $flags"
		;;
	tally-dashboard) ;;
	*) flags="$_tally_worker $flags" ;;
	esac
	if [[ $_tally_valued == *" $before "* ]]; then
		_tally_values_of "$before"
		[[ $before != --set ]] || compopt -o nospace 2>/dev/null
		[[ ${#_tally_values[@]} -eq 0 ]] || mapfile -t COMPREPLY < <(
			compgen "${_tally_values[@]}" -- "$current")
	elif [[ $current == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
	elif [[ ${1##*/} == tallyctl ]]; then
		_tally_words "$current"
	fi
}
