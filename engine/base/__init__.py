"""What every stage stands on: errors, store, paths, project, machine, jobs and gates."""
