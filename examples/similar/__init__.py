"""What is similar to an item: trained every night by a program in JavaScript, and asked for over HTTP."""
