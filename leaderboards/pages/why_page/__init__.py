"""The page that says why a task is answered as it is: what an analysis of its best arm found."""
