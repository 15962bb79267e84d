"""The pages of runs, the trainings and the searches before them included."""
