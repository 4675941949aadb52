"""The form in which the MIQD-2.5M database is published."""
