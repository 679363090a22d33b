"""What we install of others: known vulnerabilities, and licences."""
