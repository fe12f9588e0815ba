"""What repeats, contradicts or gives away another row."""
