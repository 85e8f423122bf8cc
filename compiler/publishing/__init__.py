"""A dataset pushed to the Hub, to a URL or to a directory: checked, compared, sent, tagged."""
