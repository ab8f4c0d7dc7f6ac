package authz

default allow := false

allow if permitted(input)

answers := [permitted(question) | some question in input.questions]

permitted(question) := true if {
	some key in question.keys
	some rule in data.rules[question.organisation][key]
	rule.effect == "allow"
	covers(rule, question.action)
	holds(rule.condition, question)
	not refused(question)
} else := false

refused(question) if {
	some key in question.keys
	some rule in data.rules[question.organisation][key]
	rule.effect == "deny"
	covers(rule, question.action)
	holds(rule.condition, question)
}

covers(rule, action) if action in rule.permissions

covers(rule, _) if "*" in rule.permissions

holds("", _)

holds("role == 'operator'", question) if "operator" in question.roles

holds("'operator' in roles", question) if "operator" in question.roles

holds("attributes.level >= 2 && context.region == 'eu'", question) if {
	question.attributes.level >= 2
	question.context.region == "eu"
}

holds("context.region == 'us'", question) if question.context.region == "us"
