"""Calibration levels swept, compared and chosen."""
