"""Source rollouts as pure functions over text: prefixes, and filters of continuations."""
