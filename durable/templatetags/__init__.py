"""Tags and filters of the app's templates."""
