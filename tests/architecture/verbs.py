"""Verbs that may open a function's docstring, in the imperative. A verb that is missing is added here."""

_LISTED = """
abandon abort accept
acknowledge acquire adapt add adjust admit adopt advance allocate allow announce answer append
apply approve archive arrange ask assemble assert assign associate attach authenticate authorize avoid await
back begin bind block borrow bound break bring broadcast buffer build bundle cache calculate call cancel cap
capture carry change charge check choose claim classify clean clear clip clone close coalesce collapse
collect combine come commit compare compile complete compose compress compute condense configure confirm
connect construct consume contain continue convert copy correct count cover create cut deal decide declare
decode deduct defer define delay delegate delete deliver deny derive describe deserialize destroy detach
detect determine disable discard disconnect dispatch display divide download drain draw drop dump edit embed
emit empty enable encode encrypt end enforce enqueue ensure enter enumerate erase escape establish estimate
evaluate examine exchange exclude execute exit expand expect explain export expose express extend extract
fail fall fetch fill filter find finish fit fix flag flatten flush fold follow forbid force forget format
forward free freeze gather generate get give go grant group guard guess halt hand handle hash hide hold
identify ignore implement import include increment indent index infer inform inherit initialize insert
inspect install instruct interpret interrupt invoke issue iterate join keep kill label launch lay lead leave
lend let limit link list listen load locate lock log look loop lower make map mark match measure merge
migrate mirror modify monitor mount move multiply name narrow negotiate normalize note notify nudge number
obey observe obtain offer omit open order override overwrite pack page parse part pass pause perform permit
persist pick pin place poll pop populate post postpone prefer prefix prepare present preserve prevent print
probe process produce prolong promote prompt proxy prune publish pull purge push put query queue quote raise
rank reach read reap rebuild recall receive recognize recompute reconnect record recover recreate redact
redeliver redirect reduce refresh refuse register reject relay release reload remember remove rename render
renew reopen reorder repair repeat replace replay reply report represent request require rerun reschedule
reserve reset resolve respond restart restore restrict resume retain retire retrieve retry return reuse
reverse revert revoke rewrite rotate round route run sample sanitize save scan schedule search see seek
select send separate serialize serve set settle shorten show shut sign simplify size skip sleep slice
snapshot sort split spread stage stamp start state stay step stop store stream strip submit subscribe
substitute subtract suggest sum summarize supply suppress suspend swap sweep switch synchronize tag take
tell terminate test throw tie tighten time toggle track trade transfer transform translate traverse treat
trigger trim truncate try turn unblock undo unite unlink unlock unpack unregister unwrap update upgrade
upload use validate verify view visit wait wake walk warn watch weigh widen withdraw work wrap write yield
"""

VERBS = frozenset(_LISTED.split())
