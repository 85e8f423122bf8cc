"""Text that a language model wrote -> a JSON object. Knows no provider, spec or probe."""
