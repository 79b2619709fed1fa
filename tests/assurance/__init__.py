"""``make assurance``: the whole product proved, one scoreboard. What ``make test`` only samples is asked in full here."""
