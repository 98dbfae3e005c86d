"""A Django app with one model, whose history PostgreSQL's triggers keep."""
