"""Other ways to get readings from Kafka into a database or files, measured on the same topic."""
