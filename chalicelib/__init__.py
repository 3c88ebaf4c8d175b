"""What ships to Lambda beside `app.py`: pure Python, boto3 and Powertools."""
