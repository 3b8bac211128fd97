"""The query front end: SQL text to trees and back, and what the catalog knows about them."""
