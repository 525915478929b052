"""What a flow's table does on average: a Markov chain over its states and what is known of its locals."""
