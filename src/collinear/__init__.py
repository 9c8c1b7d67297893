"""Tuning campaigns for expensive training programs."""
