module example

go 1.23

require github.com/example/partnercenter v0.0.0

replace github.com/example/partnercenter => ./partnercenter
